target_link_libraries(test_client_data PRIVATE ZLIB::ZLIB)
