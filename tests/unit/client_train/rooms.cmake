# Counts what our code allocates while it trains (count_alloc.c).
target_link_options(test_client_train PRIVATE -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc -Wl,--wrap=aligned_alloc)
