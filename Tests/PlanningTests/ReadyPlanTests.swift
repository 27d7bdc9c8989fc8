import Clusters
import Models
import Planning
import Plans
import Simulation
import Testing

/// Plans that ship as what `sluice search` wrote.
@Suite struct ReadyPlanTests {
  /// The command that a plan names as its source still finds it, or its constants have moved: then it has to be
  /// written again.
  @Test func theSearchStillFindsIt() throws {
    let ready = try Plan.named("llama-3.1-8b")
    let command =
      "sluice search --model llama-3.1-8b --cluster h100-2048 --gpus 64 --global-batch 256 --sequence 8192"
    #expect(ready.source == command)
    let architecture = try Architecture.named("llama-3.1-8b")
    let cluster = try Cluster.named("h100-2048")
    var settings = SearchSettings()
    (settings.globalBatch, settings.sequenceLength) = (256, 8192)
    let space = try SearchSpace(settings, devices: 64, for: architecture, on: cluster)
    var request = PlanSearch.Request()
    request.threads = 2
    let outcome = try PlanSearch(space, for: architecture, on: cluster, request: request).run()
    var found = try #require(outcome.plans.first).plan
    (found.name, found.source) = (ready.name, ready.source)
    let text = found.yaml
    #expect(text == ready.yaml)
  }

  /// What a larger search wrote fits, on the devices that its command names.
  @Test func aLargerOneFits() throws {
    let ready = try Plan.named("llama-3.1-70b")
    #expect(ready.source?.contains("--gpus \(ready.worldSize) ") == true)
    let step = try PlannedStep(
      architecture: .named("llama-3.1-70b"), cluster: .named("h100-2048"), plan: ready)
    let memory = step.report(replaysAllocator: true).memory
    #expect(memory.reservation?.fits == true)
  }
}
