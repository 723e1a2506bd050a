# Passes when SOURCE does not compile and the compiler says each text that the file expects:
#   // expects: <text>        once or more
#   // expects: nothing       for a control, which has to compile
# Parameters: COMPILER, SOURCE, INCLUDES, DEFINITIONS.
file(STRINGS "${SOURCE}" expected REGEX "^// expects: ")
list(TRANSFORM expected REPLACE "^// expects: " "")
if(NOT expected)
    message(FATAL_ERROR "${SOURCE} has no line '// expects: <text>'")
endif()

list(TRANSFORM INCLUDES PREPEND "-I")
list(TRANSFORM DEFINITIONS PREPEND "-D")
file(STRINGS "${SOURCE}" wrapped REGEX "^// .* expects: ")
if(wrapped)
    message(FATAL_ERROR "${SOURCE}: an expectation begins in the middle of a line: ${wrapped}")
endif()
execute_process(
    COMMAND "${COMPILER}" -std=c++20 -S -o /dev/null ${INCLUDES} ${DEFINITIONS} "${SOURCE}"
    RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)

if(expected STREQUAL "nothing")
    if(NOT result EQUAL 0)
        message(FATAL_ERROR "should compile, but:\n${output}")
    endif()
    return()
endif()
if(result EQUAL 0)
    message(FATAL_ERROR "compiles, but should fail with: ${expected}")
endif()
foreach(text IN LISTS expected)
    string(FIND "${output}" "${text}" at)
    if(at EQUAL -1)
        message(FATAL_ERROR "fails, but does not say '${text}':\n${output}")
    endif()
endforeach()
