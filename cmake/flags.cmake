# Compiler flags for everything of ours. Determinism first: -ffp-contract=off and SSE2 arithmetic give
# the same bits on every x86-64 (docs/ARCHITECTURE.md, "What must be reproducible where").
add_library(ent_flags INTERFACE)
target_compile_definitions(ent_flags INTERFACE _POSIX_C_SOURCE=200809L _XOPEN_SOURCE=700 _DEFAULT_SOURCE ENT_VERSION="${PROJECT_VERSION}")
target_compile_options(ent_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef
  -Wdouble-promotion -Wformat=2 -Wnull-dereference -Wpointer-arith -Wcast-qual -Wwrite-strings
  -fno-common -fmacro-prefix-map=${PROJECT_SOURCE_DIR}/= -ffp-contract=off -fno-fast-math -fstack-protector-strong)
# A program names its own build in the log (common/base/identity.h).
target_link_options(ent_flags INTERFACE -Wl,--build-id=sha1)
if(ENT_PLAIN_KERNELS)
  target_compile_definitions(ent_flags INTERFACE ENT_PLAIN_KERNELS)
endif()
if(ENT_WERROR)
  target_compile_options(ent_flags INTERFACE -Werror)
endif()
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  target_compile_options(ent_flags INTERFACE -msse2 -mfpmath=sse)
endif()
# GCC 12 reports null dereferences through sanitizer instrumentation that are not there.
if(CMAKE_C_FLAGS MATCHES "fsanitize")
  target_compile_options(ent_flags INTERFACE -Wno-null-dereference)
endif()
