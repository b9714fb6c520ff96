target_sources(test_common_wire PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/wire_samples.c)
