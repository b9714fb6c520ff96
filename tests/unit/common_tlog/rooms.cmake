# Vectors are JSON, envelopes are made in common/wire. Known answers of sealing inject the ephemeral key, which only the
# test link can: this program compiles the one file that has it.
target_sources(test_common_tlog PRIVATE ${PROJECT_SOURCE_DIR}/common/crypto/csprng.c ${PROJECT_SOURCE_DIR}/tests/support/hooks.c
  ${PROJECT_SOURCE_DIR}/tests/fuzz/leaf_samples.c)
target_compile_definitions(test_common_tlog PRIVATE ENT_TEST_LINK)
target_link_libraries(test_common_tlog PRIVATE common_json common_wire)
