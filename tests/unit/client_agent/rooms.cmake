target_link_libraries(test_client_agent PRIVATE ZLIB::ZLIB)
target_sources(test_client_agent PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/unit/client_mirror/book.c)
