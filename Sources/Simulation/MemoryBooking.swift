import Engines
import Programs
import Schedules

/// Books what an action acquires and releases, without a clock.
struct MemoryBooking: Backend {
  let input: StepInput
  /// Whose rows buffers have; nil for equal rows.
  let rank: ActionRank?
  var change = MemoryChange()

  init(_ input: StepInput, rank: ActionRank?) {
    self.input = input
    self.rank = rank
  }

  static func change(of engine: Engine, _ booking: MemoryBooking) -> MemoryChange {
    var (walker, booking) = (engine, booking)
    while walker.advance(&booking) == .waiting {}
    return booking.change
  }

  private func size(_ id: BufferID, _ instance: Instance) -> (Int, Buffer.Use) {
    let stage = Int(instance.stage)
    let buffer = input.stages[stage].buffers[Int(id.index)]
    let rows =
      rank.map { instance.pass == .forward ? $0.forwardRows : $0.backwardRows }
      ?? input.balancedRows[stage]
    return (rows(buffer.rows) * buffer.bytesPerRow, buffer.use)
  }

  mutating func acquire(_ id: BufferID, _ instance: Instance) {
    let (bytes, use) = size(id, instance)
    change.acquire(bytes, use)
  }

  mutating func release(_ id: BufferID, _ instance: Instance) {
    let (bytes, use) = size(id, instance)
    change.release(bytes, use)
  }

  mutating func begin(_ item: Item, index: Int) -> Beginning { .walk }
  mutating func end(_ item: Item, index: Int) {}
  mutating func issue(_ operation: Int, of program: Program, _ instance: Instance) {}
  mutating func start(_ transfer: Int, of program: Program, _ instance: Instance)
    -> TransferHandle
  { TransferHandle(-1) }
  mutating func start(_ transfer: PipelineTransfer) -> TransferHandle { TransferHandle(-1) }
  mutating func wait(_ handle: TransferHandle) -> Bool { true }
  mutating func handOver(_ boundary: Boundary, stage: Int, microbatch: Int) {}
  mutating func agree() -> Bool { true }
}
