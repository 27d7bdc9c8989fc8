import Checkpoints
import Documents
import Foundation
import MessagePassing
import Runs
import TestSupport
import Testing
import Training

/// Runs of several phases.
@Suite struct PhaseTests {
  let folder: ScratchFolder

  init() throws {
    folder = try ScratchFolder()
    _ = try folder.write("[[1,2,3,4,5],[5,4,3,2,1],[7,7,7,8,8],[9,1,9,1,9]]", to: "rows.json")
  }

  private func phases(_ list: String, _ change: [String] = []) throws -> [RunFile] {
    let text = """
      model: \(fixture("checkpoints/gpt2-tiny/config.json"))
      data: rows.json
      plan: {global-batch: 2, sequence-length: 4}
      optimizer: {weight-decay: 0}
      learning-rate: 0.01
      steps: 2
      checkpoints: {folder: \(folder.path)/out, every: 1, keep: 9}
      log: {file: \(folder.path)/log.jsonl}
      phases: \(list)
      """
    return try RunFile.readPhases(path: folder.write(text, to: "run.yaml"), overrides: change)
  }

  @discardableResult private func train(
    _ run: RunFile, _ beginning: RunBeginning = .anew
  ) throws -> [Double?] {
    let prepared = try PreparedRun(run, ranks: 1)
    return try withRanksAsThreads(1, timeout: Launch.hangLimit) { communicator in
      var losses: [Double?] = []
      try TrainingRun(prepared, communicator, beginning).finish(report: { losses.append($0.loss) })
      return losses
    }[0]
  }

  /// A later phase starts where the one before ended, and its own values hold.
  @Test func aPhaseStartsFromTheOneBefore() throws {
    let runs = try phases("[{name: first}, {name: second, learning-rate: 0, steps: 1}]")
    #expect(runs.map(\.name) == ["first", "second"])
    #expect(runs.map(\.steps) == [2, 1])
    #expect(runs[1].log.file == "\(folder.path)/log.second.jsonl")
    #expect(runs[1].model.checkpoint == "\(folder.path)/out/first/step-00000002")
    for run in runs { try train(run) }
    let readers = try ["first/step-00000002", "second/step-00000001"].map {
      try CheckpointReader(path: "\(folder.path)/out/\($0)")
    }
    for tensor in readers[0].architecture.parameters.filter({ $0.sharedWith == nil }) {
      #expect(try readers[0].weights(of: tensor) == readers[1].weights(of: tensor))
    }
  }

  /// More steps of a phase behind which another has begun would take away what that one began from; nothing is
  /// trained then.
  @Test func phasesThatHaveBegunStandInTheWayOfMoreSteps() throws {
    let runs = try phases("[{name: a}, {name: b}]")
    for run in runs { try train(run) }
    try RunFile.checkOrder(of: runs)
    func refusal(_ runs: [RunFile]) throws -> String {
      "\(try #require(throws: CheckpointError.self) { try RunFile.checkOrder(of: runs) })"
    }
    let longer = try phases("[{name: a, steps: 3}, {name: b}]")
    #expect(
      try refusal(longer).contains("a in front of it stands behind step 2 where the run file has 3")
    )
    // Trained further all the same, with nothing left of where b began.
    try train(longer[0], .resuming)
    for step in 1...2 {
      try FileManager.default.removeItem(atPath: folder.file("out/a/step-0000000\(step)"))
    }
    #expect(try refusal(runs).contains("stands behind step 3 where the run file has 2"))
    try FileManager.default.removeItem(atPath: folder.file("out/b"))
    #expect(try refusal(runs).contains("whose checkpoint is no longer there"))
    // Phases that have not begun stand in nobody's way.
    try RunFile.checkOrder(of: longer)
  }

  /// One phase trains as the run without it does.
  @Test func onePhaseIsTheRunItself() throws {
    let one = try train(phases("[{name: only}]")[0])
    let none = try phases("null")
    #expect(none.count == 1)
    #expect(none[0].checkpoints?.folder == "\(folder.path)/out")
    try FileManager.default.removeItem(atPath: folder.file("out"))
    #expect(try train(none[0]) == one)
  }

  /// Before the first phase begins anew, nothing of later ones is left; what an earlier phase reads of a
  /// later one's place is not removed.
  @Test func placesOfLaterPhasesAreCleared() throws {
    let runs = try phases("[{name: a}, {name: b}]")
    for run in runs { try train(run) }
    func steps(_ name: String) -> [Int] {
      CheckpointFolder(path: folder.file("out/\(name)")).steps()
    }
    let reading = try phases(
      "[{name: a, model: {checkpoint: \(folder.path)/out/b/step-00000001}}, {name: b}]")
    do {
      _ = try RunFile.clearPlaces(of: reading, from: 1)
      Issue.record("what is read was removed")
    } catch { #expect("\(error)".contains("is read by the run"), "\(error)") }
    #expect(steps("b") == [1, 2])
    _ = try RunFile.clearPlaces(of: runs, from: 1)
    #expect(steps("a") == [1, 2] && steps("b").isEmpty)
    #expect(try contents(of: folder.file("log.b.jsonl")).isEmpty)
  }

  /// A phase goes on behind the weights that it began from, made anew with the same bits or gone, and not
  /// behind others.
  @Test func aPhaseKnowsWhatItBeganFrom() throws {
    let runs = try phases("[{name: a}, {name: b}]")
    for run in runs { try train(run) }
    let state = try CheckpointReader(path: folder.file("out/b/step-00000002")).state
    let parent = try #require(runs[1].model.checkpoint)
    #expect(state?.begunFrom == CheckpointReader.weightsIdentity(at: parent))
    func refusal() -> String {
      do { try train(runs[1], .resuming) } catch { return "\(error)" }
      return "nothing"
    }
    func again(_ change: [String]) throws {
      for name in ["out/a", "log.a.jsonl"] {
        try FileManager.default.removeItem(atPath: folder.file(name))
      }
      #expect(refusal() == "nothing")
      try train(phases("[{name: a}, {name: b}]", change)[0])
    }
    try again([])
    #expect(refusal() == "nothing")
    try again(["phases[0].learning-rate=0.02"])
    #expect(refusal().contains("began from other weights than \(parent) has now"), "\(refusal())")
  }

  @Test func valuesOfAPhaseCanBeReplaced() throws {
    let runs = try phases("[{name: a}, {name: b}]", ["phases[1].steps=7", "seed=9"])
    #expect(runs.map(\.steps) == [2, 7])
    #expect(runs.map(\.seed) == [9, 9])
  }

  /// Phases are counted, not named, and nothing that is said of them is passed over.
  @Test func valuesOfNoPhaseAreRefused() throws {
    func refusal(_ change: String) -> String {
      do { _ = try phases("[{name: a}, {name: b}]", [change]) } catch { return "\(error)" }
      return "nothing"
    }
    for (change, words) in [
      ("phases.b.steps=4", "--set: phases.b.steps: is not a key"),
      ("phases.b.steps=4", "did you mean phases[1].steps?"),
      ("phases.nosuch.foo=4", "did you mean phases[0].foo?"), ("phases.b=4", "phases[1]?"),
      ("phases=3", "expected a list of tables"), ("phases[2].steps=4", "2 items"),
    ] {
      #expect(refusal(change).contains(words), "\(refusal(change))")
    }
    #expect(try phases("[{name: a}]", ["phases=[{name: c, steps: 5}]"]).map(\.steps) == [5])
  }

  /// Before any phase is trained.
  @Test func aPhaseOfAnotherModelIsRefused() throws {
    let other = fixture("checkpoints/gpt2-8-layers/config.json")
    do {
      _ = try phases("[{name: a}, {name: b, model: \(other)}]")
      Issue.record("a phase goes on with its model")
    } catch {
      #expect("\(error)".contains("phases[1].model"))
      #expect("\(error)".contains("cannot start from a, which is of another model: "))
    }
  }

  @Test func whatCannotBeIsRefused() throws {
    func refusal(_ list: String) -> String {
      do { _ = try phases(list) } catch { return "\(error)" }
      return "nothing"
    }
    #expect(refusal("[]").contains("expected a list of tables"))
    let empty = refusal("")
    #expect(empty.contains("phases") && empty.contains("has nothing behind it"), "\(empty)")
    #expect(empty.contains("run.yaml:"), "\(empty)")
    #expect(refusal("3").contains("expected a list of tables"))
    #expect(refusal("[a]").contains("expected a table"))
    #expect(refusal("[{steps: 3}]").contains("required key is missing"))
    let twice = refusal("[{name: a}, {name: a}]")
    #expect(
      twice.contains("run.yaml:9: phases[1].name: \"a\": is the name of phases[0]"), "\(twice)")
    #expect(refusal("[{name: a/b}]").contains("a name that a folder can have"))
    for inner in ["[{name: c}]", "null"] {
      let nested = refusal("[{name: a}, {name: b, phases: \(inner)}]")
      #expect(nested.contains("run.yaml:9: phases[1].phases"), "\(nested)")
      #expect(nested.contains("cannot stand within phases[1]"), "\(nested)")
    }
    #expect(refusal("[{name: a, step: 3}]").contains("step"))
    #expect(refusal("[{name: a, checkpoints: null}, {name: b}]").contains("writes no checkpoint"))
    #expect(
      refusal(
        "[{name: a}, {name: b, plan: {global-batch: 2, sequence-length: 4, "
          + "data-parallel: 2}}]"
      ).contains("2 ranks"))
    _ = try phases("[{name: a}, {name: b}]")
    do {
      _ = try RunFile.read(path: folder.file("run.yaml"))
      Issue.record("several phases are no single run")
    } catch { #expect("\(error)".contains("2 phases")) }
  }
}
