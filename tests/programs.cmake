# Strangers' programs, as they run under the library.
enable_language(CXX)
find_package(Threads REQUIRED)
set(library ${CMAKE_BINARY_DIR}/preload/libmpress.so)

# mpress_program(TARGET SOURCE): built as a stranger's program would be, without our flags.
function(mpress_program target source)
  add_executable(${target} ${source})
  target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR})
  target_compile_definitions(${target} PRIVATE _GNU_SOURCE)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Werror -O1 -g -fno-builtin
    -Wno-deprecated-declarations -Wno-free-nonheap-object
    $<$<COMPILE_LANGUAGE:CXX>:-fsized-deallocation>
    $<$<OR:$<C_COMPILER_ID:GNU>,$<CXX_COMPILER_ID:GNU>>:-Wno-use-after-free>)
  set_target_properties(${target} PROPERTIES CXX_STANDARD 17 CXX_EXTENSIONS OFF)
  target_link_libraries(${target} PRIVATE Threads::Threads ${CMAKE_DL_LIBS})
endfunction()

# mpress_library(TARGET SOURCE): what such programs load, beside them.
function(mpress_library target source)
  add_library(${target} MODULE ${source})
  target_compile_definitions(${target} PRIVATE _GNU_SOURCE)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Werror -O1 -g -fno-builtin)
  set_target_properties(${target} PROPERTIES CXX_STANDARD 17 CXX_EXTENSIONS OFF)
  target_link_libraries(${target} PRIVATE ${CMAKE_DL_LIBS})
endfunction()
