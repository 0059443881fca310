# Tests of the house itself: the layers, the house rules, what must not compile, and the scripts that check all this.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
add_test(NAME layers COMMAND Python3::Interpreter ${CMAKE_SOURCE_DIR}/tools/check_layers.py)
add_test(NAME house_rules COMMAND Python3::Interpreter ${CMAKE_SOURCE_DIR}/tools/tidy.py)
add_test(NAME house COMMAND Python3::Interpreter -m unittest discover -s ${CMAKE_SOURCE_DIR}/tests/house -p "*_test.py")
add_test(NAME must_not_compile
  COMMAND Python3::Interpreter ${CMAKE_SOURCE_DIR}/tests/must_not_compile/run.py --compiler ${CMAKE_CXX_COMPILER})
add_test(NAME performance_page COMMAND Python3::Interpreter ${CMAKE_SOURCE_DIR}/tools/performance_report.py --check)
set_tests_properties(layers house_rules house must_not_compile performance_page PROPERTIES TIMEOUT 300)

if(QUOIN_CT)
  # Run by tools/constant_time.sh.
  add_executable(constant_time ${CMAKE_SOURCE_DIR}/tests/constant_time/constant_time.cpp)
  target_link_libraries(constant_time PRIVATE quoin_flags quoin_kernels quoin_core)
  set_target_properties(constant_time PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
endif()
