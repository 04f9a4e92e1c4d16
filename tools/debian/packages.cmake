# Debian packages, one a component: shmq (the commands), libshmq0 (the shared library), libshmq-dev.
#
#   cmake --preset package && cmake --build --preset package && cpack --preset package
#
# The preset has the prefix /usr, which decides about paths that are compiled and written into files.
set(SHMQ_MAINTAINER "The shmq authors <maintainers@shmq.example>" CACHE STRING "Who makes the packages: NAME <ADDRESS>")
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME shmq)
set(CPACK_PACKAGE_CONTACT "${SHMQ_MAINTAINER}")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_COMPONENTS_ALL lib dev)
if(SHMQ_TOOLS)
  list(APPEND CPACK_COMPONENTS_ALL tools)
endif()
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(soname_package libshmq${PROJECT_VERSION_MAJOR})
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "")  # each package has its own
set(about "A ring is a queue of messages in shared memory that has a name.
Producers push into it and consumers pop from it, from the shell and
from C++, without a daemon. A kill of any of them at any instruction
loses no message, tears none and stops nobody else.

")

set(CPACK_DEBIAN_TOOLS_PACKAGE_NAME shmq)
set(CPACK_DEBIAN_TOOLS_PACKAGE_SECTION utils)
set(CPACK_DEBIAN_TOOLS_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_TOOLS_DESCRIPTION "messages through named rings in shared memory\n${about}This package has the commands.")

set(CPACK_DEBIAN_LIB_PACKAGE_NAME ${soname_package})
set(CPACK_DEBIAN_LIB_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_LIB_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS_POLICY ">=")  # programs want the version they were built with, or a later one
set(CPACK_DEBIAN_LIB_PACKAGE_CONTROL_EXTRA ${CMAKE_CURRENT_LIST_DIR}/triggers)
set(CPACK_DEBIAN_LIB_DESCRIPTION "messages through rings in shared memory: shared library\n${about}This package has the shared library.")

set(CPACK_DEBIAN_DEV_PACKAGE_NAME libshmq-dev)
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS "${soname_package} (= ${PROJECT_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE})")
set(CPACK_DEBIAN_DEV_DESCRIPTION "messages through rings in shared memory: development files\n${about}This package has the headers, the static library, and what CMake
and pkg-config want.")

# What Debian wants in every package: once all is staged, each gets its documents, and pages are compressed.
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_LIST_DIR}/finish.cmake)
set(CPACK_SHMQ_SOURCE ${PROJECT_SOURCE_DIR})
set(CPACK_SHMQ_VERSION ${PROJECT_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE})
include(CPack)
