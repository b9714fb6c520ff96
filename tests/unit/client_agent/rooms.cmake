target_link_libraries(test_client_agent PRIVATE ZLIB::ZLIB)
