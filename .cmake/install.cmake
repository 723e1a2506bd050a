# Install rules: headers, CMake package and pkg-config files.
include(GNUInstallDirs)
install(DIRECTORY include/cobus DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.hpp")
