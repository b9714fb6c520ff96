# Counts what our code allocates while it trains (count_alloc.c).
target_link_options(test_client_train PRIVATE -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc -Wl,--wrap=aligned_alloc)
# Injected randomness and planted faults exist in the test link only: this program compiles the files that have them.
target_sources(test_client_train PRIVATE ${PROJECT_SOURCE_DIR}/common/crypto/csprng.c ${PROJECT_SOURCE_DIR}/common/model/clip.c
               ${PROJECT_SOURCE_DIR}/tests/support/hooks.c)
target_compile_definitions(test_client_train PRIVATE ENT_TEST_LINK)
