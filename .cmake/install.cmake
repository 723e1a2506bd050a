# Install rules: headers, the CMake package (one target file for each component) and pkg-config files.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_DATADIR}/cmake/cobus)
set(pkgconfig_dir ${CMAKE_INSTALL_DATADIR}/pkgconfig)

install(DIRECTORY include/cobus DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.hpp")
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
foreach(target IN LISTS cobus_components)
    install(TARGETS ${target} EXPORT ${target} INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
    install(EXPORT ${target} NAMESPACE cobus:: FILE ${target}.cmake DESTINATION ${package_dir})
endforeach()

write_basic_package_version_file("${PROJECT_BINARY_DIR}/package/cobusConfigVersion.cmake"
    VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES
    .cmake/cobusConfig.cmake .cmake/dependencies.cmake
    "${PROJECT_BINARY_DIR}/package/cobusConfigVersion.cmake"
    DESTINATION ${package_dir})

# Include folders and libraries of a dependency as pkg-config flags; standard folders need none.
function(cobus_pkgconfig_flags result)
    set(flags "")
    foreach(folder IN LISTS ARGN)
        if(folder MATCHES "\\.(so|a)(\\.[0-9.]+)?$")
            list(APPEND flags "${folder}")
        elseif(folder AND NOT folder MATCHES "^(/usr/include|\\$<)")
            list(APPEND flags "-I${folder}")
        endif()
    endforeach()
    list(JOIN flags " " flags)
    set(${result} "${flags}" PARENT_SCOPE)
endfunction()

function(cobus_install_pkgconfig name description requires cflags libs)
    file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/package/${name}.pc" @ONLY CONTENT
"prefix=\${pcfiledir}/../..
includedir=\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}

Name: ${name}
Description: ${description}
Version: ${PROJECT_VERSION}
Requires: ${requires}
Cflags: -I\${includedir} ${cflags}
Libs: ${libs}
")
    install(FILES "${PROJECT_BINARY_DIR}/package/${name}.pc" DESTINATION ${pkgconfig_dir})
endfunction()

# pkg-config does not know the compiler; what older Asio needs from Clang does GCC no harm.
cobus_pkgconfig_flags(cflags "${COBUS_ASIO_INCLUDE_DIR}")
if(COBUS_ASIO_NEEDS_COROUTINE_MACROS)
    string(APPEND cflags " -DASIO_HAS_CO_AWAIT -DASIO_HAS_STD_COROUTINE")
endif()
cobus_install_pkgconfig(cobus "${PROJECT_DESCRIPTION}" "" "${cflags}" "-pthread")

if(TARGET cobus::kafka)
    cobus_install_pkgconfig(cobus-kafka "Kafka transport of cobus" "cobus, rdkafka" "" "")
endif()
if(TARGET cobus::json)
    get_target_property(folders nlohmann_json::nlohmann_json INTERFACE_INCLUDE_DIRECTORIES)
    cobus_pkgconfig_flags(cflags ${folders})
    cobus_install_pkgconfig(cobus-json "JSON codec of cobus" "cobus" "${cflags}" "")
endif()
if(TARGET cobus::sqlite)
    cobus_install_pkgconfig(cobus-sqlite "SQLite stores of cobus" "cobus, sqlite3" "" "")
endif()
if(TARGET cobus::postgres)
    cobus_install_pkgconfig(cobus-postgres "PostgreSQL stores of cobus" "cobus, libpq" "" "")
endif()
