# The git commit a program is built from, in an object of its own that only programs link: ent_commit(<target>).
# Looked up at each build (a commit or an edit needs no new configuration); the file changes only when the answer does.
# Without .git (a release tarball) it is "unknown". As a script (cmake -P): writes OUT from the repository SOURCE.
if(CMAKE_SCRIPT_MODE_FILE)
  set(commit "unknown")
  if(EXISTS ${SOURCE}/.git)   # not that of a repository that the sources were unpacked inside
    # --no-optional-locks: a build must not stand in the way of a commit made at the same moment.
    execute_process(COMMAND git -C ${SOURCE} rev-parse --verify HEAD
      OUTPUT_VARIABLE said RESULT_VARIABLE failed OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    execute_process(COMMAND git --no-optional-locks -C ${SOURCE} status --porcelain --untracked-files=no
      OUTPUT_VARIABLE changed RESULT_VARIABLE unclear ERROR_QUIET)
    if("${failed}" STREQUAL "0" AND said MATCHES "^[0-9a-f]+$")
      set(commit ${said})
      if(NOT "${unclear}" STREQUAL "0" OR NOT "${changed}" STREQUAL "")
        string(APPEND commit "-dirty")
      endif()
    endif()
  endif()
  set(text "extern const char ent_build_commit[];\nconst char ent_build_commit[] = \"${commit}\";\n")
  set(before "")
  if(EXISTS ${OUT})
    file(READ ${OUT} before)
  endif()
  if(NOT "${before}" STREQUAL "${text}")
    file(WRITE ${OUT} "${text}")
  endif()
  return()
endif()

set(commit_c ${PROJECT_BINARY_DIR}/gen/commit.c)
add_custom_target(ent_commit_look BYPRODUCTS ${commit_c}
  COMMAND ${CMAKE_COMMAND} -DSOURCE=${PROJECT_SOURCE_DIR} -DOUT=${commit_c} -P ${PROJECT_SOURCE_DIR}/cmake/commit.cmake
  COMMENT "" VERBATIM)
add_library(ent_commit_object OBJECT EXCLUDE_FROM_ALL ${commit_c})
add_dependencies(ent_commit_object ent_commit_look)
set_target_properties(ent_commit_object PROPERTIES C_CLANG_TIDY "")

function(ent_commit target)
  target_link_libraries(${target} PRIVATE ent_commit_object)
endfunction()

# Compiler and flags are the same for everything: said to the one file that reports them. Those that decide about bits
# come first, since the text is cut at 128 bytes.
string(TOUPPER "${CMAKE_BUILD_TYPE}" build_type)
get_target_property(own_flags ent_flags INTERFACE_COMPILE_OPTIONS)
list(FILTER own_flags INCLUDE REGEX "^-ffp-contract|^-fno-fast-math|^-msse|^-mfpmath")
list(JOIN own_flags " " own_flags)
string(STRIP "${own_flags} ${CMAKE_C_FLAGS_${build_type}} ${CMAKE_C_FLAGS}" own_flags)
string(REGEX REPLACE "[^A-Za-z0-9 ._:/@+-]" "-" own_flags "${own_flags}")
set_property(SOURCE ${PROJECT_SOURCE_DIR}/common/base/identity.c APPEND PROPERTY COMPILE_DEFINITIONS ENT_BUILD_FLAGS="${own_flags}")
