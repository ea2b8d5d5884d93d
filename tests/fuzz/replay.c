/* replay.c - runs a fuzz target over the files that are named, without libFuzzer. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) return 1;
    uint8_t *bytes = malloc(1 << 20);
    const size_t size = bytes == NULL ? 0 : fread(bytes, 1, 1 << 20, file);
    /* An exact allocation, so that a sanitizer sees a read past the end. */
    uint8_t *data = malloc(size == 0 ? 1 : size);
    for (size_t i = 0; data != NULL && i < size; i++)
        data[i] = bytes[i];
    if (data != NULL) LLVMFuzzerTestOneInput(data, size);
    free(data);
    free(bytes);
    fclose(file);
    return 0;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (replay(argv[i]) != 0) {
            fprintf(stderr, "cannot read %s\n", argv[i]);
            return 1;
        }
    return 0;
}
