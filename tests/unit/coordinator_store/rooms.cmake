# The room's own sources once more, with kill points in (base/hooks.h): the test defines the hooks. The round's
# small world makes rows that fit.
file(GLOB ent_store_hooked CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/coordinator/store/*.c)
target_sources(test_coordinator_store PRIVATE ${ent_store_hooked}
  ${PROJECT_SOURCE_DIR}/tests/unit/coordinator_round/world.c)
target_compile_definitions(test_coordinator_store PRIVATE ENT_TEST_LINK)
