/** A reader with a fault behind nested conditions, for the test of the fuzzer. */
export function readPlanted(bytes: Buffer): void {
  if (bytes[0] === 0xd3) {
    if (bytes[1] === 0x7e) {
      if (bytes[2] === 0x91) {
        if (bytes[3] === 0xa5) throw new Error('the planted fault');
      }
    }
  }
}
