#!/bin/sh
# deps.sh SET - install the Debian packages that SET (build or check) needs and that are missing, saying
# what and why. Quick and silent when nothing is missing. On another system it says what to install.
set -eu

table() {
    case $1 in
    build) cat <<'T'
gcc                 compiles
libc6-dev           headers of the C library
liblmdb-dev         the store's files
libzstd-dev         compresses strings and cold columns
libroaring-dev      sets of series
libpcre2-dev        regular expressions
libxxhash-dev       hashes of series keys
libuv1-dev          the server's sockets
libhttp-parser-dev  the server's and the client's HTTP
zlib1g-dev          gzip bodies
libcyaml-dev        the server's configuration
libedit-dev         the phusa tool's prompt
libcriterion-dev    the tests
tzdata              time zones
T
        ;;
    check) cat <<'T'
clang               the second compiler, and libFuzzer
libclang-rt-14-dev  its sanitizers
clang-format        the house's layout of code
cppcheck            static analysis
T
        ;;
    *) echo "deps.sh: unknown set '$1'" >&2; exit 2 ;;
    esac
}

missing=
for package in $(table "$1" | awk '{ print $1 }'); do
    if ! dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -q '^installed$'; then
        missing="$missing $package"
    fi
done
[ -n "$missing" ] || exit 0

echo "phusa needs these Debian packages, which are not installed:"
for package in $missing; do
    table "$1" | grep "^$package " | sed 's/^/    /'
done
if ! command -v apt-get >/dev/null; then
    echo "There is no apt-get here: install them, or what your system calls them, and run make again." >&2
    exit 1
fi
run=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "Run as root: apt-get install$missing" >&2; exit 1; }
    run=sudo
fi
echo "Installing them with ${run:+$run }apt-get."
export DEBIAN_FRONTEND=noninteractive
# The lists of a fresh machine are empty or old.
$run apt-get update -qq
# shellcheck disable=SC2086
$run apt-get install -y -qq --no-install-recommends $missing >/dev/null
