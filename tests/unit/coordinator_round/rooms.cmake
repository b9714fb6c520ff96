# The room's own sources once more, with their planted bugs in (base/hooks.h): the test defines the hooks.
file(GLOB ent_round_hooked CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/coordinator/round/*.c)
target_sources(test_coordinator_round PRIVATE ${ent_round_hooked})
target_compile_definitions(test_coordinator_round PRIVATE ENT_TEST_LINK)
