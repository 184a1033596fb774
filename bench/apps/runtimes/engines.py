"""The engines of isolated JavaScript that are compared, each as its users would use it."""


class Amphis:
    @property
    def module(self):
        from amphis import js

        return js

    def make(self):
        return self.module.Runtime()

    def bind(self, runtime, name, function):
        runtime.bind_function(name, function)

    def function(self, runtime, code):
        return runtime.eval(code)

    def snapshot(self, name, source):
        builder = self.module.SnapshotBuilder()
        builder.execute_script(name, source)
        return builder.build()

    def restore(self, snapshot):
        return self.module.Runtime(self.module.RuntimeConfig(snapshot=snapshot))


class Processes(Amphis):
    def make(self):
        return self.module.Runtime(process=True)


class Jsrun(Amphis):
    @property
    def module(self):
        import jsrun

        return jsrun


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
