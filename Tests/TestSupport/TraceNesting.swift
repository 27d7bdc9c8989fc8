import Foundation

/// Which events of a trace Perfetto would drop, and how deep the others lie in each other.
///
/// Perfetto cuts times to whole nanoseconds; complete events of one track have to nest or follow each other
/// then.
public enum TraceNesting {
  private struct Slice {
    var start: Int
    var end: Int
    var name: String
  }

  /// A line for every event that overlaps another one of its track without lying in it.
  public static func overlaps(in trace: Data) throws -> [String] {
    var found: [String] = []
    for (track, slices) in try tracks(of: trace) {
      walk(slices) { slice, open in
        if let last = open.last, slice.end > last.end {
          found.append(
            "\(track): \(slice.name) ends \(slice.end - last.end) ns behind \(last.name)")
        }
      }
    }
    return found
  }

  /// The most events that lie in each other on each track, under `process track`.
  public static func depths(in trace: Data) throws -> [String: Int] {
    var depths: [String: Int] = [:]
    for (track, slices) in try tracks(of: trace) {
      walk(slices) { _, open in depths[track] = max(depths[track] ?? 0, open.count + 1) }
    }
    return depths
  }

  /// Visits slices in order, each with those in which it begins.
  private static func walk(_ slices: [Slice], _ visit: (Slice, [Slice]) -> Void) {
    var open: [Slice] = []
    for slice in slices.sorted(by: { ($0.start, -$0.end) < ($1.start, -$1.end) }) {
      while let last = open.last, last.end <= slice.start { open.removeLast() }
      visit(slice, open)
      open.append(slice)
    }
  }

  private static func tracks(of trace: Data) throws -> [(key: String, value: [Slice])] {
    let value = try JSONSerialization.jsonObject(with: trace) as? [String: Any]
    var tracks: [String: [Slice]] = [:]
    for event in value?["traceEvents"] as? [[String: Any]] ?? [] {
      guard event["ph"] as? String == "X", let start = event["ts"] as? Double,
        let duration = event["dur"] as? Double
      else { continue }
      let first = Int((start * 1000).rounded(.down))
      tracks["\(event["pid"] ?? "") \(event["tid"] ?? "")", default: []].append(
        Slice(
          start: first, end: first + Int((duration * 1000).rounded(.down)),
          name: event["name"] as? String ?? ""))
    }
    return tracks.sorted { $0.key < $1.key }
  }
}
