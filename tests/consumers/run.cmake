# Configures, builds and runs the consumer project SOURCE in the empty folder WORK.
# Parameters: SOURCE, WORK, COBUS_SOURCE_DIR, PREFIX, GENERATOR, COMPILER.
file(REMOVE_RECURSE "${WORK}")
execute_process(
    COMMAND "${CMAKE_COMMAND}" -S "${SOURCE}" -B "${WORK}" -G "${GENERATOR}"
        "-DCMAKE_CXX_COMPILER=${COMPILER}" -DCMAKE_BUILD_TYPE=Debug
        -DCMAKE_CXX_FLAGS_DEBUG=-g0 "-DCMAKE_PREFIX_PATH=${PREFIX}"
        "-DCOBUS_PREFIX=${PREFIX}" "-DCOBUS_SOURCE_DIR=${COBUS_SOURCE_DIR}"
    COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND "${CMAKE_COMMAND}" --build "${WORK}" COMMAND_ERROR_IS_FATAL ANY)

file(GLOB names RELATIVE "${WORK}" "${WORK}/core" "${WORK}/full" "${WORK}/sqlite" "${WORK}/postgres" "${WORK}/two_units*")
if(NOT names)
    message(FATAL_ERROR "the consumer built no program")
endif()
foreach(name IN LISTS names)
    execute_process(COMMAND "${WORK}/${name}" OUTPUT_VARIABLE said COMMAND_ERROR_IS_FATAL ANY)
    if(NOT said STREQUAL "greeting\n")
        message(FATAL_ERROR "${name} said '${said}' instead of 'greeting'")
    endif()
endforeach()
