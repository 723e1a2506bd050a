# Target cobus_headers: every header compiles alone, twice in one file, and all go together in one
# file, which is what clang-tidy reads.
file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE "${PROJECT_SOURCE_DIR}/include"
    "${PROJECT_SOURCE_DIR}/include/*.hpp")
if(NOT TARGET cobus::kafka)
    list(FILTER headers EXCLUDE REGEX "kafka")
endif()
if(NOT TARGET cobus::json)
    list(FILTER headers EXCLUDE REGEX "json")
endif()
if(NOT TARGET cobus::sqlite)
    list(FILTER headers EXCLUDE REGEX "sqlite")
endif()

set(units "${PROJECT_BINARY_DIR}/headers/all.cpp")
list(TRANSFORM headers REPLACE "(.+)" "#include <\\1>" OUTPUT_VARIABLE lines)
list(JOIN lines "\n" lines)
file(CONFIGURE OUTPUT "${units}" CONTENT "${lines}\n")
foreach(header IN LISTS headers)
    string(REPLACE "/" "." unit "${header}")
    set(unit "${PROJECT_BINARY_DIR}/headers/${unit}.cpp")
    file(CONFIGURE OUTPUT "${unit}" CONTENT "#include <${header}>\n#include <${header}>\n")
    list(APPEND units "${unit}")
endforeach()
add_library(cobus_headers OBJECT EXCLUDE_FROM_ALL ${units})
target_link_libraries(cobus_headers PRIVATE cobus_all cobus_warnings)
set_target_properties(cobus_headers PROPERTIES
    CXX_COMPILER_LAUNCHER "${PROJECT_SOURCE_DIR}/tests/tools/syntax_only")
