# Reference values are JSON.
target_link_libraries(test_common_privacy PRIVATE common_json)
