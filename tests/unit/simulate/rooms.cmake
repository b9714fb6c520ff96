target_link_libraries(test_simulate PRIVATE common_config common_plan)
# Planted faults exist in the test link only: this program compiles the file that has them.
target_sources(test_simulate PRIVATE ${PROJECT_SOURCE_DIR}/common/step/noise.c ${PROJECT_SOURCE_DIR}/tests/support/hooks.c)
target_compile_definitions(test_simulate PRIVATE ENT_TEST_LINK)
