"""The engines of isolated JavaScript that are compared, each as its users would use it."""


class Amphis:
    def make(self):
        from amphis import js

        return js.Runtime()

    def bind(self, runtime, name, function):
        runtime.bind_function(name, function)

    def function(self, runtime, code):
        return runtime.eval(code)

    def snapshot(self, name, source):
        from amphis import js

        return self._built(js, name, source)

    def restore(self, snapshot):
        from amphis import js

        return js.Runtime(js.RuntimeConfig(snapshot=snapshot))

    def _built(self, module, name, source):
        builder = module.SnapshotBuilder()
        builder.execute_script(name, source)
        return builder.build()


class Processes(Amphis):
    def make(self):
        from amphis import js

        return js.Runtime(process=True)


class Jsrun(Amphis):
    def make(self):
        import jsrun

        return jsrun.Runtime()

    def snapshot(self, name, source):
        import jsrun

        return self._built(jsrun, name, source)

    def restore(self, snapshot):
        import jsrun

        return jsrun.Runtime(jsrun.RuntimeConfig(snapshot=snapshot))


class MiniRacer:
    def make(self):
        from py_mini_racer import MiniRacer

        return MiniRacer()

    def bind(self, runtime, name, function):
        raise NotImplementedError("mini-racer has no synchronous callbacks")

    def function(self, runtime, code):
        runtime.eval(f"globalThis.f = {code}; 0")
        return lambda value: runtime.call("f", value)


ENGINES = {"amphis": Amphis, "processes": Processes, "jsrun": Jsrun, "mini-racer": MiniRacer}
