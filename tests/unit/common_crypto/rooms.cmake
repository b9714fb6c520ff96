# The injection of randomness exists in the test link only: this program compiles the one file that has it.
target_sources(test_common_crypto PRIVATE ${PROJECT_SOURCE_DIR}/common/crypto/csprng.c)
target_compile_definitions(test_common_crypto PRIVATE ENT_TEST_LINK)
