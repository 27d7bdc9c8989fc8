import Engines
import Programs
import Schedules

/// Simulates one action on the ranks that take part in its exchanges, every operation of it.
///
/// All ranks run the same programs; they meet in expert exchanges and in collectives of tensor and
/// context groups. A rank alone stands for ranks that do the same.
struct ActionSimulation {
  let template: ActionTemplate
  let ranks: [ActionRank]
  var keepsSpans = false
  var keepsLog = false
  /// Replays the action's script by pieces, or else an engine walks every operation.
  var usesScript = false
  /// Adds up what the kernels of every rank come to also where the script is used, or else of the first.
  var keepsAllFigures = true

  /// Simulates and gives the record of every rank, and how many operations, and pieces of several, it looked
  /// at.
  func run() -> (records: [ActionRecord], walked: Int) {
    let meetings = Meetings(count: ranks.count)
    let script =
      usesScript ? template.script(gathers: ranks.first?.carried.gathers.count ?? 0) : nil
    var lanes = ranks.indices.map { index in
      ActionLane(
        engine: script == nil ? template.engine : nil, script: script,
        backend: ActionBackend(
          template, ranks[index], meetings, keepsSpans: keepsSpans, keepsLog: keepsLog,
          script: script, keepsFigures: script == nil || keepsAllFigures || index == 0))
    }
    var isRunning = true
    while isRunning {
      isRunning = false
      for index in lanes.indices where !lanes[index].isFinished {
        if lanes[index].advance() == .finished {
          lanes[index].isFinished = true
        } else {
          isRunning = true
        }
      }
    }
    // What nobody in the action waits for has its end too.
    settle(&lanes)
    let walked = lanes.reduce(0) { $0 + $1.backend.walked }
    let records = lanes.map { lane in
      var record = lane.backend.sharedRecord
      record.duration = lane.backend.clock
      record.carried = lane.backend.carried
      record.offset = lane.backend.rank.offset
      let rank = lane.backend.rank
      record.memory = rank.booksOwnRows ? template.memory(of: rank) : template.memory
      if lane.backend.keepsFigures {
        record.kernels = lane.backend.kernels.parts
        (record.flops, record.causalFLOPs) = template.flops(lane.backend.rank)
      }
      return record
    }
    return (records, walked)
  }
}

extension ActionSimulation {
  /// Every rank is asked until all have come to the last transfer that they meet in.
  private func settle(_ lanes: inout [ActionLane]) {
    var isOpen = true
    while isOpen {
      isOpen = false
      for index in lanes.indices where !lanes[index].backend.settle() { isOpen = true }
    }
  }
}

/// One rank on its way through an action.
private struct ActionLane {
  /// Nil where a script is at hand.
  var engine: Engine?
  /// What the engine would do.
  let script: ActionScript?
  var backend: ActionBackend
  var isFinished = false
  /// The step of the script that is next.
  private var step = 0

  init(engine: Engine?, script: ActionScript?, backend: ActionBackend) {
    (self.engine, self.script, self.backend) = (engine, script, backend)
  }

  mutating func advance() -> Progress {
    guard let script else { return engine?.advance(&backend) ?? .finished }
    while step < script.steps.count {
      switch script.steps[step] {
      case .compute(let range): backend.compute(range, script)
      case .convert(let index):
        let start = script.conversions[index]
        backend.issue(start.number, of: start.program, start.instance)
      case .start(let index): backend.start(index, script)
      case .wait(let handle):
        guard backend.wait(TransferHandle(handle)) else { return .waiting }
      }
      step += 1
    }
    return .finished
  }
}
