/* Moves one message from a ring to another, both made by the commands. */
#include <shmq/shmq.h>
#include <stdio.h>

int main(int argc, char** argv) {
    char error[200];
    shmq_consumer* in = NULL;
    shmq_producer* out = NULL;
    const void* data = NULL;
    size_t size = 0;
    int result;
    if (argc != 3) return 2;
    result = shmq_consumer_open(&in, argv[1], NULL, error, sizeof error);
    if (result == SHMQ_OK) result = shmq_producer_open(&out, argv[2], NULL, error, sizeof error);
    if (result != SHMQ_OK) {
        fprintf(stderr, "%s\n", error);
        return 1;
    }
    result = shmq_consumer_pop(in, &data, &size, SHMQ_FOREVER);
    if (result == SHMQ_OK) result = shmq_producer_push(out, data, size, SHMQ_FOREVER);
    if (result == SHMQ_OK) result = shmq_consumer_release(in);
    shmq_producer_close(out);
    shmq_consumer_close(in);
    return result;
}
