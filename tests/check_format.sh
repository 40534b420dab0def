#!/bin/bash
# check_format.sh: every C file is as .clang-format has it.
cd "$(dirname "$(realpath "$0")")/.." || exit 2
find src include daemon tests -name '*.[ch]' -print0 | xargs -0 clang-format --dry-run -Werror
