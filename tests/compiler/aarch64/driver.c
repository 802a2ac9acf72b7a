/* Run the emitted `forward` on AArch64, without Python: reads a file, writes the answers to standard output.

   The file: six int64 (bytes of parameters, of x, of y, of scratch; rows; flags), then the parameters, then x. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

void forward(const float *parameters, const void *x, void *y, int64_t rows, float *scratch, int64_t flags);

static void *room(int64_t bytes) {
    void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!memory) exit(2);
    return memory;
}

static void *read_from(FILE *file, int64_t bytes) {
    void *memory = room(bytes);
    if (fread(memory, 1, bytes, file) != (size_t)bytes) exit(3);
    return memory;
}

int main(int count, char **arguments) {
    FILE *file = count == 2 ? fopen(arguments[1], "rb") : NULL;
    if (!file) return 1;
    int64_t *header = read_from(file, 6 * sizeof(int64_t));
    float *parameters = read_from(file, header[0]);
    void *x = read_from(file, header[1]);
    void *y = room(header[2]);
    forward(parameters, x, y, header[4], room(header[3]), header[5]);
    return fwrite(y, 1, header[2], stdout) != (size_t)header[2];
}
