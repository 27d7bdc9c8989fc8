import Calibration
import Engines
import Plans
import Programs
import Schedules
import Simulation

extension ComponentResiduals {
  /// One layer of the 22B model on 8 A100 SXM: the clock under load is fitted to these rows.
  static func megatronLayers(_ files: PublishedFiles) throws -> ComponentResiduals {
    let table = ComponentTable(PackageResources.megatron_22b_layer_a100_csv)
    var layers: [String: MegatronLayer] = [:]
    let rows = try table.rows.filter { $0.text("quantity") != "layer_combined" }.map { row in
      let note = row.text("note")
      let layer = try layers[note] ?? MegatronLayer(files, note)
      layers[note] = layer
      let isForward = row.text("quantity") == "layer_forward"
      return ComponentResidual(
        row: "\(note), \(row.text("quantity").dropFirst("layer_".count))",
        measuredSeconds: row.number("value") * 1e-3,
        predictedSeconds: isForward ? layer.forward : layer.backward)
    }
    return ComponentResiduals(
      name: "22B layer, 8 A100 SXM", source: "arXiv 2205.05198 Table 4", isFitted: true,
      rows: rows)
  }
}

/// A layer in the middle of the 22B model, 4 sequences of 2,048 over 8 tensor ranks, as the simulated step
/// has it: from its first kernel to the first of the next.
private struct MegatronLayer {
  var forward: Double
  var backward: Double

  /// - Parameter note: what the publication says of the row.
  /// - Throws: `PlanError` where what was overridden leaves no layer with neighbours on the first rank.
  init(_ files: PublishedFiles, _ note: String) throws {
    let recomputation =
      note.contains("full") ? "full" : note.contains("selective") ? "selective" : "none"
    let isParallel = note.contains("SP") || note.contains("sequence")
    let step = try files.planned(
      PublishedRun(
        name: note, model: "megatron-22b", cluster: "a100-selene", plan: "megatron-22b-full",
        planOverrides: ["recompute=\(recomputation)", "sequence-parallel=\(isParallel)"])
    ).step()
    var simulation = step.simulation
    simulation.keepsSpans = true
    let items = simulation.run().ranks.first?.items ?? []
    func seconds(_ wanted: Action.Pass, towards next: Int) -> Double? {
      let found = items.first {
        guard case .run(let action) = $0.item else { return false }
        return action.pass == wanted
      }
      guard let found, case .run(let action) = found.item else { return nil }
      let program = step.input.stages[action.stage].program(for: wanted, isClosing: false)
      return Self.seconds(found.spans, program, towards: next)
    }
    guard let forward = seconds(.forward, towards: 1),
      let backward = seconds(.backward, towards: -1)
    else {
      throw PlanError.cannotSimulate(
        key: "schedule", value: note,
        rule: "has no whole backward over three layers on the first rank, as the measured ones have"
      )
    }
    (self.forward, self.backward) = (forward, backward)
  }

  /// From the first kernel of a layer in the middle to the first of its neighbour.
  private static func seconds(
    _ spans: [Timeline.Span], _ program: Program, towards next: Int
  ) -> Double? {
    var starts: [Int: Int64] = [:]
    for span in spans {
      guard case .operation(let index) = span.kind else { continue }
      let layer = program.operations[Int(index)].layer
      starts[layer] = min(starts[layer] ?? .max, span.start)
    }
    let layers = starts.keys.filter { $0 >= 0 }.sorted()
    let middle = layers.dropFirst(layers.count / 2).first { starts[$0 + next] != nil }
    guard layers.count >= 3, let middle, let first = starts[middle], let end = starts[middle + next]
    else { return nil }
    return Double(end - first) / 1e12
  }
}
