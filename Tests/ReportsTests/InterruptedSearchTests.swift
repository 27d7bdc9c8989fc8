import Clusters
import Models
import Planning
import Reports
import Testing

/// What is said of a search that was interrupted before it had found anything.
@Suite struct InterruptedSearchTests {
  private func page(isInterrupted: Bool, longestStep: Double?) throws -> String {
    let model = Architecture.gpt(
      name: "small", hidden: 1024, layers: 7, heads: 16, vocabulary: 4096, positions: 1024)
    let cluster = try Cluster.named("h100-2048")
    var settings = SearchSettings()
    (settings.globalBatch, settings.sequenceLength) = (64, 512)
    settings.listed = ["schedule=1f1b", "microbatch-size=1", "recompute=none"]
    let space = try SearchSpace(settings, devices: 8, for: model, on: cluster)
    var request = PlanSearch.Request()
    request.longestStep = longestStep
    request.isInterrupted = { isInterrupted }
    let outcome = try PlanSearch(space, for: model, on: cluster, request: request).run()
    let figures = try SearchFigures(
      outcome, of: space, for: model, on: cluster, Inputs(), limit: 1 << 36, seconds: 1, threads: 1)
    let answer = SearchAnswer([figures], by: .time, count: 10)
    return try ReportPage(search: answer).text.split(whereSeparator: \.isWhitespace)
      .joined(separator: " ")
  }

  /// Nothing was found yet; that nothing is admissible is known of a whole search alone.
  @Test func nothingYet() throws {
    let stopped = try page(isInterrupted: true, longestStep: nil)
    #expect(stopped.hasPrefix("No plan was found yet: the search of small on 8 GPUs"), "\(stopped)")
    #expect(!stopped.contains("admissible"))
    let whole = try page(isInterrupted: false, longestStep: 1e-6)
    #expect(whole.hasPrefix("No plan is admissible: "), "\(whole)")
  }
}
