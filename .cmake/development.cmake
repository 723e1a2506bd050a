# Warnings, sanitizers and the compiler cache of our own builds; nothing here reaches a consumer.
option(COBUS_WERROR "Treat warnings as errors" ON)
option(COBUS_PCH "Precompile Asio and doctest for the tests: 1 s less for each file" ON)
option(COBUS_TEST_GROUPS "Compile the tests of a folder as one file" OFF)
set(COBUS_TESTS_ALONE "" CACHE STRING "Groups of tests whose files do not go together: test.codec")
set(COBUS_SANITIZE "" CACHE STRING "Sanitizers, as for -fsanitize: address,undefined or thread")

find_program(COBUS_CCACHE ccache)
mark_as_advanced(COBUS_CCACHE)
if(COBUS_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    # Precompiled headers are cached only when told that their times do not matter.
    set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env
        CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
        "${COBUS_CCACHE}")
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        add_compile_options(-fpch-preprocess)
    endif()
endif()

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Debug)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # A seventh of the time went into collecting garbage; so a compiler takes a quarter more memory.
    add_compile_options(--param=ggc-min-heapsize=1000000)
endif()
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

add_library(cobus_warnings INTERFACE)
target_compile_options(cobus_warnings INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast
    -Wnon-virtual-dtor -Woverloaded-virtual -Wcast-qual -Wextra-semi
    $<$<CXX_COMPILER_ID:GNU>:-Wduplicated-cond -Wduplicated-branches -Wlogical-op>
    # At -O3, GCC 12 takes the sum of a literal and a string for a copy of half the address space.
    $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-error=stringop-overflow -Wno-error=restrict>
    $<$<BOOL:${COBUS_WERROR}>:-Werror>)

if(COBUS_SANITIZE)
    add_compile_options(-fsanitize=${COBUS_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${COBUS_SANITIZE})
    if(COBUS_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        add_compile_options(-Wno-tsan) # Asio's fences, which only order what locks order too
    endif()
endif()

# All components that this build has.
add_library(cobus_all INTERFACE)
target_link_libraries(cobus_all INTERFACE ${cobus_components})
