import Calibration
import Clusters

/// A cluster calibrated from benchmark outputs, as data: `calibrate FILE… --json`.
public struct CalibrationFigures: Encodable, Sendable {
  /// A file that was read, and what it was found to be.
  public struct File: Encodable, Sendable {
    public var path: String
    public var format: String
  }

  /// A value of the cluster's file, as it is written there.
  public struct Constant: Encodable, Sendable {
    public var key: String
    /// Nil where a key of the base does not hold any more.
    public var value: String?
    public var base: String?
    public var source: String
    public var isAssumed: Bool
  }

  /// A measurement beside what the written cluster says.
  public struct Point: Encodable, Sendable {
    public var series: String
    public var file: String
    public var line: Int
    public var size: Double
    public var unit: String
    public var measuredSeconds: Double
    public var predictedSeconds: Double
    public var isFitted: Bool
  }

  /// What was fitted to one kind of measurement.
  public struct Part: Encodable, Sendable {
    public var title: String
    public var constants: [Constant]
    public var points: [Point]
    /// Of the rows that no constant saw; of all where there are none.
    public var meanError: Double
    public var worstError: Double
    public var undetermined: [String]
    public var extrapolated: String
  }

  /// What could not be fitted.
  public struct Refusal: Encodable, Sendable {
    public var what: String
    public var reason: String
  }

  /// Kernels of a trace by class.
  public struct Trace: Encodable, Sendable {
    public struct Kernels: Encodable, Sendable {
      public var name: String
      public var count: Int
      public var seconds: Double
    }

    public var file: String
    public var device: String?
    public var seconds: Double
    public var computingSeconds: Double
    public var communicatingSeconds: Double
    public var exposedSeconds: Double
    public var kernels: [Kernels]
  }

  public var inputs = Inputs()
  public var base: String
  public var files: [File]
  public var parts: [Part]
  public var values: [Constant]
  public var refused: [Refusal]
  public var remarks: [String]
  public var traces: [Trace]

  public init(_ outcome: Calibrator.Outcome, base: Cluster) {
    let facts = Dictionary(base.facts.map { ($0.path, $0.text) }) { first, _ in first }
    func constant(_ one: FittedConstant) -> Constant {
      Constant(
        key: one.path, value: one.text, base: facts[one.path], source: one.source,
        isAssumed: one.isAssumed)
    }
    self.base = base.name
    files = outcome.formats.map { File(path: $0.file, format: $0.format.rawValue) }
    values = outcome.values.map {
      Constant(
        key: $0.path, value: $0.text, base: facts[$0.path], source: $0.source, isAssumed: false)
    }
    refused = outcome.refused.map { Refusal(what: $0.what, reason: $0.reason) }
    remarks = outcome.remarks
    parts = outcome.parts.map { part in
      let (mean, worst) = FittedPart.residual(part.held.isEmpty ? part.points : part.held)
      return Part(
        title: part.title, constants: part.constants.map(constant),
        points: part.points.map { point in
          Point(
            series: point.series, file: point.place.file, line: point.place.line, size: point.size,
            unit: point.unit.rawValue, measuredSeconds: point.measured,
            predictedSeconds: point.predicted, isFitted: point.isFitted)
        }, meanError: mean, worstError: worst, undetermined: part.undetermined,
        extrapolated: part.extrapolated)
    }
    traces = outcome.traces.map { trace in
      Trace(
        file: trace.file, device: trace.device, seconds: trace.seconds,
        computingSeconds: trace.computing, communicatingSeconds: trace.communicating,
        exposedSeconds: trace.exposed,
        kernels: trace.kernels.map { .init(name: $0.name, count: $0.count, seconds: $0.seconds) })
    }
  }
}
