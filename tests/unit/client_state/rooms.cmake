# Kill points exist in the test link only: this program compiles the room with them.
file(GLOB state_src CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/client/state/*.c)
target_sources(test_client_state PRIVATE ${state_src})
target_compile_definitions(test_client_state PRIVATE ENT_TEST_LINK)
