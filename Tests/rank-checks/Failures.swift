import Glibc
import MessagePassing

/// The error of a rank that is asked to fail.
struct PlannedFailure: Error, CustomStringConvertible {
  var description: String { "the loss is not a number" }
}

/// Expects a sum that nobody gets, to show that a failed check is a failed run.
func wrongSum(_ world: any Communicator) throws {
  try expect(try world.allReduce(1, .sum), world.size + 1, "sum of ones")
}

/// One rank throws while the others wait for it.
func throwing(_ world: any Communicator, on rank: Int) throws {
  try world.barrier()
  if world.rank == rank { throw PlannedFailure() }
  try world.barrier(.never)
}

/// One rank receives a signal while the others wait for it in a barrier.
func dying(_ world: any Communicator, on rank: Int, by signal: Int32) throws {
  try world.barrier()
  if world.rank == rank { kill(getpid(), signal) }
  try world.barrier()
}

/// A chain of ranks, each waiting for the next, whose end is stopped.
func stopping(_ world: any Communicator, on rank: Int) throws {
  try world.barrier()
  if world.rank == rank { kill(getpid(), SIGSTOP) }
  let number = Memory<Int>(1) { _ in 0 }
  let source = (world.rank + 1) % world.size
  try world.receive(into: UnsafeMutableRawBufferPointer(number.buffer), from: source, tag: 11)
}

/// Sends eight bytes to a rank that has room for four.
func tooLong(_ world: any Communicator) throws {
  let number = Memory<Int>(1) { _ in 0 }
  let bytes = UnsafeMutableRawBufferPointer(number.buffer)
  if world.rank == 0 { try world.send(UnsafeRawBufferPointer(bytes), to: 1, tag: 4) }
  if world.rank == 1 {
    let half = UnsafeMutableRawBufferPointer(rebasing: bytes[..<4])
    try world.receive(into: half, from: 0, tag: 4)
  }
  try world.barrier()
}

/// Says so and exchanges messages for some minutes, unless the network is cut meanwhile.
func untilCut(_ world: any Communicator) throws {
  for number in 0..<1000 {
    _ = try world.allReduce(1, .sum)
    if world.rank == 0, number == 0 {
      print("exchanging")
      fflush(nil)
    }
    usleep(100_000)
  }
}
