# ent_embed(<target> <symbol> <file>): the file's bytes as `const struct ent_bytes <symbol>`, in a source of its own.
# Run as a script (-P) it is the generator: IN, OUT, SYMBOL.
if(CMAKE_SCRIPT_MODE_FILE)
  file(READ "${IN}" hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(REGEX REPLACE "(0x[0-9a-f][0-9a-f],0x[0-9a-f][0-9a-f],0x[0-9a-f][0-9a-f],0x[0-9a-f][0-9a-f],0x[0-9a-f][0-9a-f],0x[0-9a-f][0-9a-f],0x[0-9a-f][0-9a-f],0x[0-9a-f][0-9a-f],)" "\\1\n" bytes "${bytes}")
  get_filename_component(name "${IN}" NAME)
  file(WRITE "${OUT}" "/* generated from ${name} */
#include \"common/schema/bytes.h\"

extern const struct ent_bytes ${SYMBOL};
static const uint8_t bytes[] = {
${bytes}
};
const struct ent_bytes ${SYMBOL} = {bytes, sizeof bytes};
")
  return()
endif()

set(ENT_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_FILE})
function(ent_embed target symbol file)
  set(out ${PROJECT_BINARY_DIR}/gen/embed/${symbol}.c)
  set(in ${PROJECT_SOURCE_DIR}/${file})
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DIN=${in} -DOUT=${out} -DSYMBOL=${symbol} -P ${ENT_EMBED_SCRIPT}
    DEPENDS ${in} ${ENT_EMBED_SCRIPT} VERBATIM)
  target_sources(${target} PRIVATE ${out})
endfunction()
