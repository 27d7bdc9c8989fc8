/// Which of several layouts that were measured a prediction would have chosen, and what that would have cost.
///
/// A sweep is what somebody has to choose between: one model, one number of devices, one batch and length.
public struct ChoiceTable: Hashable, Sendable {
  /// The sweeps of one model.
  public struct Row: Hashable, Encodable, Sendable {
    private enum CodingKeys: String, CodingKey {
      case name, sweeps, layouts, coefficient, regret
      case failedFirst = "failed_first"
      case named = "best_named"
      case place = "place_of_best"
      case worstRegret = "worst_regret"
    }

    public var name: String
    public var sweeps: Int
    /// Layouts that are put in order, of all sweeps.
    public var layouts: Int
    /// The mean of Spearman's coefficients.
    public var coefficient: Double
    /// Sweeps whose best layout by measurement is the best by prediction.
    public var named: Int
    /// The place of the measured best in the predicted order, 1 for the first: the mean.
    public var place: Double
    /// By what share the layout that is predicted to be best was measured to be worse than the best one: the
    /// mean, and the worst.
    public var regret: Double
    public var worstRegret: Double
    /// Sweeps whose first choice had failed when it was run; nil where failures were not published.
    public var failedFirst: Int?
  }

  /// A stable short name: `vtrain-single-node-choices`.
  public var name: String
  public var title: String
  public var source: String
  public var basis: ValidationTable.Basis
  public var rows: [Row]
}

/// One sweep: a prediction and a measurement for each of its layouts.
package struct LayoutSweep: Hashable, Sendable {
  package var predictions: [Double]
  package var measurements: [Double]
  /// Whether a larger figure is the better one, as with tokens a second.
  package var isRate: Bool
  /// Which of them are predicted not to fit, so that nobody would choose them; empty where that was not asked.
  package var isRefused: [Bool] = []
  /// Predictions of layouts that failed when they were run and are predicted to fit.
  package var failures: [Double] = []

  package init(predictions: [Double], measurements: [Double], isRate: Bool) {
    (self.predictions, self.measurements, self.isRate) = (predictions, measurements, isRate)
  }

  /// Layouts in their order, the best first; of equal ones the one that was written first.
  private func order(_ values: [Double]) -> [Int] {
    values.indices.sorted {
      values[$0] == values[$1] ? $0 < $1 : (values[$0] < values[$1]) != isRate
    }
  }

  /// Those that somebody would choose from, the best first; all where none is predicted to fit.
  private var choices: [Int] {
    let order = order(predictions)
    let fitting = order.filter { !isRefused.indices.contains($0) || !isRefused[$0] }
    return fitting.isEmpty ? order : fitting
  }

  /// Whether a layout that failed when it was run is predicted to be better than all others that fit.
  package var failsFirst: Bool {
    let best = predictions[choices[0]]
    return failures.contains { isRate ? $0 > best : $0 < best }
  }

  /// The place of the measured best in the predicted order, 1 for the first.
  package var place: Int {
    let best = order(measurements)[0]
    return (order(predictions).firstIndex(of: best) ?? 0) + 1
  }

  /// By what share the predicted best was measured to be worse than the best one; layouts that failed have
  /// no measurement and are passed over.
  package var regret: Double {
    let (chosen, best) = (
      measurements[choices[0]], measurements[order(measurements)[0]]
    )
    return isRate ? best / chosen - 1 : chosen / best - 1
  }

  package var coefficient: Double { RankCorrelation(predictions, measurements).coefficient }
}

extension ChoiceTable.Row {
  /// - Precondition: there are sweeps.
  package init(_ name: String, _ sweeps: [LayoutSweep]) {
    precondition(!sweeps.isEmpty, "A row is of sweeps.")
    let count = Double(sweeps.count)
    self.init(
      name: name, sweeps: sweeps.count,
      layouts: sweeps.reduce(0) { $0 + $1.predictions.count },
      coefficient: sweeps.reduce(0) { $0 + $1.coefficient } / count,
      named: sweeps.count { $0.place == 1 },
      place: sweeps.reduce(0) { $0 + Double($1.place) } / count,
      regret: sweeps.reduce(0) { $0 + $1.regret } / count,
      worstRegret: sweeps.map(\.regret).max() ?? 0,
      failedFirst: sweeps.contains { !$0.isRefused.isEmpty }
        ? sweeps.count(where: \.failsFirst) : nil)
  }
}

extension ChoiceTable {
  /// The sweeps of a table.
  ///
  /// - Parameters:
  ///   - keys: of each row of the table, the row of this one that it belongs to, and its sweep.
  ///   - isRate: whether a larger figure is the better one.
  ///   - least: layouts that were predicted, with fewer of which a sweep says nothing.
  init(
    of table: ValidationTable, keys: [(row: String, sweep: String)], isRate: Bool, least: Int
  ) {
    (name, title) = ("\(table.name)-choices", "\(table.title): the layout that is chosen")
    (source, basis) = (table.source, table.basis)
    var names: [String] = []
    var sweeps: [String: [(key: String, sweep: LayoutSweep)]] = [:]
    for (key, row) in zip(keys, table.rows) {
      guard let prediction = row.prediction else { continue }
      if !names.contains(key.row) { names.append(key.row) }
      var known = sweeps[key.row] ?? []
      let index = known.firstIndex { $0.key == key.sweep } ?? known.count
      if index == known.count {
        known.append((key.sweep, LayoutSweep(predictions: [], measurements: [], isRate: isRate)))
      }
      known[index].sweep.predictions.append(prediction)
      known[index].sweep.measurements.append(row.publication)
      sweeps[key.row] = known
    }
    rows = names.compactMap { name in
      let whole = (sweeps[name] ?? []).map(\.sweep).filter { $0.predictions.count >= least }
      return whole.isEmpty ? nil : Row(name, whole)
    }
  }
}

extension ChoiceTable {
  /// vTrain's steps: sweeps of at least three layouts of a model on so many devices with one batch.
  init(vTrain table: ValidationTable, of published: PublishedTable) {
    self.init(
      of: table,
      keys: published.rows.map { row in
        (row["model"], ["gpus", "global_batch", "seq"].map { row[$0] }.joined(separator: "/"))
      }, isRate: false, least: 3)
  }

  /// Mixtures in five layouts each, of which those are left out that no key describes.
  init(mixtures table: ValidationTable) {
    self.init(
      of: table,
      keys: DescribedRun.mixtureLayouts.map(\.row).map { row in
        let group = "\(row["model"]), \(row["gpus"]) GPUs, length \(row["seq"])"
        return (group, group)
      }, isRate: true, least: 2)
  }
}
