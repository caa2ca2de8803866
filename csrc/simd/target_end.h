// The end of what target_*.h began; GCC's pragma lasts to the end of the file by itself.
#if defined(__clang__)
#pragma clang attribute pop
#endif
