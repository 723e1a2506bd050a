# The header-only targets: cobus::cobus (Asio only), cobus::kafka, cobus::json, cobus::sqlite and
# cobus::postgres.
cobus_find_asio()
if(NOT COBUS_ASIO_FOUND)
    message(FATAL_ERROR "cobus needs standalone Asio 1.22.1 or newer: install libasio-dev, "
        "or set COBUS_ASIO_INCLUDE_DIR to the folder that holds asio.hpp")
endif()

add_library(cobus INTERFACE)
add_library(cobus::cobus ALIAS cobus)
target_compile_features(cobus INTERFACE cxx_std_20)
target_include_directories(cobus INTERFACE
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:include>)
target_link_libraries(cobus INTERFACE cobus::asio)
set(cobus_components cobus)

# Adds cobus::<name> on top of cobus::cobus when the option allows it and its libraries are there.
function(cobus_add_component name option found cure)
    set(wanted ${${option}})
    if(NOT wanted STREQUAL "AUTO" AND NOT wanted)
        message(STATUS "cobus::${name}: off (${option}=${wanted})")
        return()
    endif()
    if(NOT found)
        if(wanted STREQUAL "AUTO")
            message(STATUS "cobus::${name}: left out, ${cure}")
            return()
        endif()
        message(FATAL_ERROR "${option}=${wanted}, but its libraries are missing: ${cure}")
    endif()
    add_library(cobus_${name} INTERFACE)
    add_library(cobus::${name} ALIAS cobus_${name})
    set_target_properties(cobus_${name} PROPERTIES EXPORT_NAME ${name})
    target_link_libraries(cobus_${name} INTERFACE cobus ${ARGN})
    set(cobus_components ${cobus_components} cobus_${name} PARENT_SCOPE)
endfunction()

cobus_find_rdkafka()
cobus_add_component(kafka COBUS_KAFKA "${COBUS_RDKAFKA_FOUND}"
    "install librdkafka-dev or set COBUS_RDKAFKA_ROOT" cobus::rdkafka)
cobus_find_json()
cobus_add_component(json COBUS_JSON "${COBUS_JSON_FOUND}"
    "install nlohmann-json3-dev" nlohmann_json::nlohmann_json)
cobus_find_sqlite()
cobus_add_component(sqlite COBUS_SQLITE "${COBUS_SQLITE_FOUND}"
    "install libsqlite3-dev, 3.37 or newer" SQLite::SQLite3)
cobus_find_postgres()
cobus_add_component(postgres COBUS_POSTGRES "${COBUS_POSTGRES_FOUND}"
    "install libpq-dev" PostgreSQL::PostgreSQL)
