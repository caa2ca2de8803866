#!/usr/bin/env bash
# The C++ cores' own tests under AddressSanitizer with UndefinedBehaviorSanitizer, and under ThreadSanitizer; then every
# CUDA file compiled for sm_80 and sm_90a where nvcc is found. Needs g++, cmake and doctest (Debian: doctest-dev).
set -euo pipefail
cd "$(dirname "$0")/../.."
for tool in cmake g++; do
    command -v "$tool" >/dev/null || { echo "native-check needs $tool (Debian: apt-get install cmake g++)"; exit 1; }
done
jobs=$(nproc)
for sanitizers in address,undefined thread; do
    tree="build/native-${sanitizers//,/-}"
    cuda=$([ "$sanitizers" = thread ] && echo OFF || echo ON) # once is enough for the compile check
    cmake -S . -B "$tree" -DGANTOOL_SANITIZE="$sanitizers" -DGANTOOL_CUDA_CHECK="$cuda" >/dev/null
    cmake --build "$tree" --parallel "$jobs" --target all
    # The host model of the GPU runs on one thread: ThreadSanitizer would look at nothing, for minutes.
    left_out=$([ "$sanitizers" = thread ] && echo '^test_cuda_' || echo '^$')
    ctest --test-dir "$tree" --output-on-failure --no-tests=error --parallel "$jobs" --exclude-regex "$left_out"
done
