# Run by CPack when the files of all packages are staged, in a directory for each component. Gives each
# package its copyright, its changelogs and what lintian is told; compresses pages.
set(tools ${CPACK_DEBIAN_TOOLS_PACKAGE_NAME})
set(lib ${CPACK_DEBIAN_LIB_PACKAGE_NAME})
set(dev ${CPACK_DEBIAN_DEV_PACKAGE_NAME})

# Lines as old as the sources: the same sources make the same packages.
if(DEFINED ENV{SOURCE_DATE_EPOCH})
  set(date_of "@$ENV{SOURCE_DATE_EPOCH}")
else()
  file(TIMESTAMP ${CPACK_SHMQ_SOURCE}/CHANGELOG.md date_of "@%s" UTC)
endif()
execute_process(COMMAND date --utc --rfc-email --date=${date_of} OUTPUT_VARIABLE date OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)

file(READ ${CPACK_SHMQ_SOURCE}/LICENSE license)
string(REGEX REPLACE "^MIT License\n\n(Copyright [^\n]*)\n\n" "" license "${license}")
set(holder "${CMAKE_MATCH_1}")
string(REGEX REPLACE "^Copyright \\(c\\) " "" holder "${holder}")
string(STRIP "${license}" license)
string(REPLACE "\n\n" "\n.\n" license "${license}")
string(REPLACE "\n" "\n " license " ${license}")

foreach(component IN LISTS CPACK_COMPONENTS_ALL)
  set(package ${${component}})
  set(usr ${CPACK_TEMPORARY_DIRECTORY}/${component}/usr)
  if(NOT IS_DIRECTORY ${usr})
    message(FATAL_ERROR "${usr}: not there; are these the packages of a prefix other than /usr?")
  endif()
  set(doc ${usr}/share/doc/${package})
  file(WRITE ${doc}/copyright "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: shmq\n\n\
Files: *\nCopyright: ${holder}\nLicense: Expat\n${license}\n")
  file(WRITE ${doc}/changelog.Debian "${CPACK_PACKAGE_NAME} (${CPACK_SHMQ_VERSION}) unstable; urgency=medium\n\n  * What is new in this version: see changelog.gz.\n\n -- ${CPACK_PACKAGE_CONTACT}  ${date}\n")
  configure_file(${CPACK_SHMQ_SOURCE}/CHANGELOG.md ${doc}/changelog COPYONLY)
  configure_file(${CPACK_SHMQ_SOURCE}/tools/debian/${component}.lintian-overrides ${usr}/share/lintian/overrides/${package} COPYONLY)
  # Whatever the umask is.
  execute_process(COMMAND find ${usr} -type d -exec chmod 755 {} + COMMAND_ERROR_IS_FATAL ANY)
  file(CHMOD ${doc}/copyright ${doc}/changelog ${doc}/changelog.Debian ${usr}/share/lintian/overrides/${package}
       PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
  file(GLOB pages ${usr}/share/man/man*/*)
  execute_process(COMMAND gzip -9n ${pages} ${doc}/changelog ${doc}/changelog.Debian COMMAND_ERROR_IS_FATAL ANY)
endforeach()
