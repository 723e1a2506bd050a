# Target cobus_headers: every header compiles as if alone, and twice in one file, which
# tests/tools/header_units makes few files of; and all go together in one, which clang-tidy reads.
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
if(NOT TARGET cobus::postgres)
    list(FILTER headers EXCLUDE REGEX "postgres")
endif()

set(all "${PROJECT_BINARY_DIR}/headers/all.cpp")
list(TRANSFORM headers REPLACE "(.+)" "#include <\\1>" OUTPUT_VARIABLE lines)
list(JOIN lines "\n" lines)
file(CONFIGURE OUTPUT "${all}" CONTENT "${lines}\n")
list(TRANSFORM headers REPLACE "/" "." OUTPUT_VARIABLE units)
list(TRANSFORM units REPLACE "(.+)" "${PROJECT_BINARY_DIR}/headers/\\1.cpp")
list(TRANSFORM headers PREPEND "${PROJECT_SOURCE_DIR}/include/" OUTPUT_VARIABLE header_files)
set(header_units "${PROJECT_SOURCE_DIR}/tests/tools/header_units")
add_custom_command(OUTPUT ${units}
    COMMAND "${Python3_EXECUTABLE}" "${header_units}" "${PROJECT_SOURCE_DIR}/include"
        "${PROJECT_BINARY_DIR}/headers" ${headers}
    DEPENDS ${header_files} "${header_units}"
    COMMENT "Headers that include each other go into one file"
    VERBATIM)
add_library(cobus_headers OBJECT EXCLUDE_FROM_ALL "${all}" ${units})
target_link_libraries(cobus_headers PRIVATE cobus_all cobus_warnings)
set_target_properties(cobus_headers PROPERTIES
    CXX_COMPILER_LAUNCHER "${PROJECT_SOURCE_DIR}/tests/tools/syntax_only")
