"""A custom model can be trained further in the rehearsal while it is there, and no other."""

from __future__ import annotations

from tests.rehearsal.scene import Scene


def test_a_custom_model_is_a_base_model_while_it_is_there(sound: Scene) -> None:
    first = sound.ended(sound.submit())
    model = first["outputModelArn"]

    further = sound.ended(sound.submit(baseModelIdentifier=model))

    assert further["status"] == "Completed"
    assert further["outputModelArn"] != model
    gone = model[:-1] + ("x" if model[-1] != "x" else "y")
    assert "model identifier is invalid" in sound.refusal(baseModelIdentifier=gone)


def test_a_foundation_model_has_a_name_the_api_takes(sound: Scene) -> None:
    answer = sound.caller.get_foundation_model(modelIdentifier="amazon.nova-2-lite-v1:0:256k")

    assert answer["modelDetails"]["modelName"]
