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
    guard usesScript else { return walk() }
    let script = template.script(gathers: ranks.first?.carried.gathers.count ?? 0)
    var lanes = ScriptLanes(template, script, ranks, keepsAllFigures: keepsAllFigures)
    let records = lanes.run()
    return (records, lanes.walked)
  }

  /// The same of ranks that leave the action together, as a group with drawn loads does.
  func runTogether() -> (record: ActionRecord, walked: Int) {
    guard usesScript else {
      let (records, walked) = walk()
      return (LoadedGroup.together(records), walked)
    }
    let script = template.script(gathers: ranks.first?.carried.gathers.count ?? 0)
    var lanes = ScriptLanes(template, script, ranks, keepsAllFigures: keepsAllFigures)
    let record = lanes.runTogether()
    return (record, lanes.walked)
  }

  /// An engine walks every operation of every rank.
  private func walk() -> (records: [ActionRecord], walked: Int) {
    let meetings = Meetings(count: ranks.count)
    var lanes = ranks.map { rank in
      ActionLane(
        engine: template.engine,
        backend: ActionBackend(
          template, rank, meetings, keepsSpans: keepsSpans, keepsLog: keepsLog, script: nil,
          keepsFigures: true))
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
    settle(&lanes)
    return (
      lanes.indices.map { lanes[$0].backend.finishedRecord() },
      lanes.reduce(0) { $0 + $1.backend.walked }
    )
  }

  /// What nobody in the action waits for has its end too: every rank is asked until all have come to the
  /// last transfer that they meet in.
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
  var engine: Engine
  var backend: ActionBackend
  var isFinished = false

  mutating func advance() -> Progress { engine.advance(&backend) }
}
