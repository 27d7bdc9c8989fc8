import MessagePassing
import Synchronization
import Testing

private struct Trouble: Error, Equatable {}

/// What goes wrong between ranks that are threads, and how it is told.
///
/// What goes right is in `rank-checks`.
@Suite struct ThreadTests {
  @Test func resultsComeInTheOrderOfRanks() throws {
    let squares = try withRanksAsThreads(5) { try $0.allReduce(1, .sum) * $0.rank }
    #expect(squares == [0, 5, 10, 15, 20])
  }

  @Test func anErrorOnOneRankEndsAll() {
    #expect(throws: Trouble()) {
      _ = try withRanksAsThreads(4) { world in
        if world.rank == 2 { throw Trouble() }
        try world.barrier()
      }
    }
  }

  @Test func theOthersLearnWhoEndedTheWorld() {
    let heard = Mutex("")
    #expect(throws: Trouble()) {
      _ = try withRanksAsThreads(2) { world in
        if world.rank == 1 { throw Trouble() }
        do {
          try world.barrier()
        } catch {
          heard.withLock { $0 = "\(error)" }
        }
      }
    }
    #expect(heard.withLock { $0 } == "rank 1 ended the run: Trouble()")
  }

  @Test func aTimeoutNamesWhoWaitsForWhom() {
    let error = #expect(throws: MPIError.self) {
      _ = try withRanksAsThreads(2, timeout: .milliseconds(80)) { world in
        var numbers: [Int] = [0, 0]
        var span = numbers.mutableSpan
        if world.rank == 0 { try world.receive(into: &span, from: 1, tag: 7) }
      }
    }
    #expect(
      error?.description == "rank 0 waits for rank 1 (receive, tag 7, 16 bytes): "
        + "not done after 0.08 s; rank 1 is not waiting")
  }

  /// Large sends wait for their receiver, so two ranks that both send first are stuck, as on MPI.
  @Test func sendingFirstOnBothSidesIsADeadlock() {
    let error = #expect(throws: MPIError.self) {
      _ = try withRanksAsThreads(2, timeout: .milliseconds(80)) { world in
        let values = [Double](repeating: 1, count: 10_000)
        try world.send(values.span, to: 1 - world.rank, tag: 0)
      }
    }
    guard case .timedOut(let operation, after: .milliseconds(80), others: _) = error else {
      Issue.record("found \(String(describing: error))")
      return
    }
    #expect(operation.kind == .send)
    #expect(operation.bytes == 80_000)
  }

  @Test func aMessageLongerThanItsBufferIsAnError() {
    let error = #expect(throws: MPIError.self) {
      _ = try withRanksAsThreads(2) { world in
        var values: [Int32] = [1, 2, 3]
        if world.rank == 0 { try world.send(values.span, to: 1, tag: 4) }
        values.removeLast()
        var span = values.mutableSpan
        if world.rank == 1 { try world.receive(into: &span, from: 0, tag: 4) }
        try world.barrier()
      }
    }
    #expect(
      error?.description
        == "rank 1 waits for rank 0 (receive, tag 4, 8 bytes): the message has 12 bytes")
  }

  @Test func aForgottenRequestTraps() async {
    await #expect(processExitsWith: .failure) {
      _ = try withRanksAsThreads(1) { world in
        let request = try world.startSend(
          UnsafeRawBufferPointer(start: nil, count: 0), to: 0, tag: 0)
        _ = try request.test()
      }
    }
  }

  @Test func anAbandonedRequestDoesNot() throws {
    _ = try withRanksAsThreads(1) { world in
      let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 8, alignment: 8)
      defer { memory.deallocate() }
      let request = try world.startReceive(into: memory, from: 0, tag: 0)
      request.abandon()
      var group = RequestGroup()
      group.add(try world.startReceive(into: memory, from: 0, tag: 1))
      group.abandon()
      let isEmpty = group.isEmpty
      guard isEmpty else { throw Trouble() }
    }
  }
}
