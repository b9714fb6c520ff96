# The vectors are JSON.
target_link_libraries(test_common_tlog PRIVATE common_json)
