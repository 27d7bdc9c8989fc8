import Glibc
import MessagePassing

/// Prints from rank 0, in order, on which host each rank runs, and runs all checks.
func hosts(_ world: any Communicator) throws {
  var name = [CChar](repeating: 0, count: 256)
  gethostname(&name, name.count)
  let bytes = name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
  let lines = try world.allGather(
    Array("rank \(world.rank) of \(world.size) on ".utf8) + bytes + [UInt8(ascii: "\n")])
  if world.rank == 0 { print(String(decoding: lines, as: UTF8.self), terminator: "") }
  try runChecks(on: world)
  if world.rank == 0 { print("checks passed on \(world.size) ranks") }
}

/// Prints the median one-way time of messages between ranks 0 and 1, as microseconds.
func speed(_ world: any Communicator) throws {
  let clock = ContinuousClock()
  for bytes in [8, 4096, 65_536, 1 << 20, 8 << 20] {
    let memory = Memory<UInt8>(bytes) { _ in 1 }
    let buffer = UnsafeMutableRawBufferPointer(memory.buffer)
    let rounds = bytes < 65_536 ? 200 : 10
    var times: [Double] = []
    for _ in 0..<15 {
      try world.barrier()
      let start = clock.now
      for _ in 0..<rounds { try pingPong(world, buffer) }
      times.append(start.duration(to: clock.now) / .microseconds(1) / Double(rounds) / 2)
    }
    times.sort()
    if world.rank == 0 { print("\(bytes) bytes: \(times[times.count / 2]) us") }
  }
}

private func pingPong(
  _ world: any Communicator, _ buffer: UnsafeMutableRawBufferPointer
) throws {
  if world.rank == 0 {
    try world.send(UnsafeRawBufferPointer(buffer), to: 1, tag: 0)
    try world.receive(into: buffer, from: 1, tag: 0)
  } else if world.rank == 1 {
    try world.receive(into: buffer, from: 0, tag: 0)
    try world.send(UnsafeRawBufferPointer(buffer), to: 0, tag: 0)
  }
}

/// Prints at how many MB/s the first rank's messages reach the last one: `6.0 MB/s`.
func megabyteAcross(_ world: any Communicator) throws {
  let bytes = 1 << 20
  let memory = Memory<UInt8>(bytes) { _ in 1 }
  let buffer = UnsafeMutableRawBufferPointer(memory.buffer)
  let clock = ContinuousClock()
  try world.barrier()
  let start = clock.now
  for _ in 0..<4 {
    if world.rank == 0 {
      try world.send(UnsafeRawBufferPointer(buffer), to: world.size - 1, tag: 0)
    } else if world.rank == world.size - 1 {
      try world.receive(into: buffer, from: 0, tag: 0)
    }
  }
  try world.barrier()
  let seconds = start.duration(to: clock.now) / .seconds(1)
  if world.rank == 0 { print("\(Double(4 * bytes) / 1e6 / seconds) MB/s") }
}
